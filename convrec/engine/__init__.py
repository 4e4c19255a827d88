"""Language model engines: one Protocol (base.py), two implementations (vllm.py, transformers.py)."""
