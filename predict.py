"""``python predict.py ckpt_path=C input=P output_dir=O`` is ``astrid predict ...``."""

from astrid_ml.cli.main import main

if __name__ == "__main__":
    main(verb="predict")
