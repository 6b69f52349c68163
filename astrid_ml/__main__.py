"""``python -m astrid_ml VERB key=value ...``."""

from astrid_ml.cli.main import main

if __name__ == "__main__":
    main()
