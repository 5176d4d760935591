"""Sources of events; each produces the canonical schema."""
