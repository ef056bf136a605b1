"""The folder of served models: its versions, and how one is pushed, rolled back and pruned."""
