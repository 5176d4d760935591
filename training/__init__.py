"""The offline part: events to models to a published release."""
