"""The learning loop once, as `convrec retrain`; on several GPUs: accelerate launch scripts/retrain.py."""

from convrec.cli import main

if __name__ == "__main__":
    import sys

    sys.argv.insert(1, "retrain")
    main()
