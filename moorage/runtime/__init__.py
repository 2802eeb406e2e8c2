"""What runs in a predictor's process: it fetches, loads, proves and serves one revision."""
