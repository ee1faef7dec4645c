"""The model card next to an exported model."""

from pathlib import Path
from typing import Any

import jinja2

from recsearch.results.run_metrics import RunMetrics
from recsearch.system.files import write_text
from recsearch.text.printable import printable_line

TEMPLATE = """\
# Model card: {{ winner.space }}

{{ verdict }}

- Task: {{ protocol.task }}; split: {{ protocol.split }}
- Trained on {{ protocol.retrained_on }} for {{ winner.epochs }} epochs; \
{{ "{:,}".format(winner.num_parameters) }} parameters
- Chosen by {{ objective.name }} on validation ({{ protocol.validation }})
- Looks at the test part: {{ test_looks }}
{% if intervals[objective.name].low is not none -%}
- {{ objective.name }}, 95 % interval over users: {{ intervals[objective.name].low | metric }} to \
{{ intervals[objective.name].high | metric }}
{% endif -%}
{% if seeds -%}
- {{ objective.name }} over {{ seeds.metrics | length }} seeds: \
{{ seeds.mean[objective.name] | metric }}, standard deviation \
{{ seeds.deviation[objective.name] | metric }}
{% endif -%}
- Tested on {{ protocol.test }}{% if "ties" in protocol %}; {{ protocol.ties }}{% endif %}

| | {{ test.keys() | join(" | ") }} |
|---|{{ "---|" * (test | length) }}
| **{{ winner.space }}** | {{ test.values() | map("metric") | join(" | ") }} |
{% for name, baseline in baselines.items() -%}
{% if baseline.skipped is not none -%}
| {{ name }} | skipped: {{ baseline.skipped | cell }} |
{% else -%}
| {{ name }} | {{ baseline.metrics.values() | map("metric") | join(" | ") }} |
{% endif -%}
{% endfor %}
## Hyperparameters

{% for name, value in winner.hyperparameters.items() -%}
- `{{ name }}`: {{ value }}
{% endfor %}
## Use

```python
import tensorflow as tf

model = tf.saved_model.load("saved_model/1")
model.signatures["recommend"](user_id=tf.constant([...]), k=tf.constant(10))
```

`recommend` returns `item_id`, `score` and `known_user`, without the items that a user has in the
training data; an unknown user gets popular items. `serving_default` scores pairs of `user_id` and
`item_id`.
"""


def write_card(best_dir: Path, metrics: RunMetrics) -> Path:
    """Writes MODEL_CARD.md from the metrics of a run; returns its path."""
    # Escaping for HTML would damage Markdown, so `_plain` makes texts harmless.
    environment = jinja2.Environment(
        autoescape=False, undefined=jinja2.StrictUndefined, finalize=_plain
    )
    environment.filters["cell"] = lambda text: text.replace("|", r"\|")
    environment.filters["metric"] = lambda value: "n/a" if value is None else f"{value:.4f}"
    return write_text(
        best_dir / "MODEL_CARD.md", environment.from_string(TEMPLATE).render(**vars(metrics))
    )


def _plain(value: Any) -> Any:
    """Returns a text without control characters and without HTML; anything else as it is."""
    return printable_line(value).replace("<", "&lt;") if isinstance(value, str) else value
