"""The Gradio page: a file per tab; what it shows is computed in `serving`."""
