"""What an export carries beside its graph: assets, schema, warmup records; and whether it loads."""
