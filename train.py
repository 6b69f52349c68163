"""``python train.py experiment=E ...`` is ``astrid train experiment=E ...``."""

from astrid_ml.cli.main import main

if __name__ == "__main__":
    main(verb="train")
