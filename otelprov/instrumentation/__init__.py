"""Where other libraries are touched, and nowhere else."""
