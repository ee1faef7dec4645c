"""Formats numbers and durations for display."""


def number_text(value: float | None) -> str:
    """Returns a number for display: 4 significant digits, thousands separated; None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, int) or 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def value_text(value: str | float | bool) -> str:
    """Returns the value of a hyperparameter for display: fractions with 4 significant digits."""
    return number_text(value) if isinstance(value, float) else str(value)


def duration_text(seconds: float | None) -> str:
    """Returns a duration for display: "4.2 s", "1 min 23 s", "2 h 05 min"; None as a dash."""
    if seconds is None:
        return "-"
    if seconds < 9.95 and not isinstance(seconds, int):  # a whole number claims no tenths
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"
