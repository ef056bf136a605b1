"""Watching a served model: customers, scores and outcomes against the training's statistics in its export."""
