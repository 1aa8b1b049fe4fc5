"""A lineage for people and for programs: tree, JSON, Mermaid, DOT."""
