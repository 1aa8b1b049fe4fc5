"""What happens when an operation runs."""
