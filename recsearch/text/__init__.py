"""Values as text and checks of JSON; nothing here knows about models, data or runs."""
