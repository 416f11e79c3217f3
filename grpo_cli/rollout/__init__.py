"""What generates completions: which engine, and the life of a vLLM server. Light: no torch, no TRL."""
