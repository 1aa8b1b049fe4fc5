"""The way of the journal to a Collector: OTLP/HTTP, remembered on disk, never in the way."""
