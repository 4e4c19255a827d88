"""The chat page: a Gradio client of convrec's HTTP API and of nothing else."""
