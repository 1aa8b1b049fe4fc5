"""The durable local store: OTLP/JSON lines, one file a process."""
