"""The read side: from a recorded span to the graph of what was made from what."""
