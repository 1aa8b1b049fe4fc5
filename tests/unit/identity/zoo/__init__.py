"""The collision zoo: data that others call equal or different, and must not be."""
