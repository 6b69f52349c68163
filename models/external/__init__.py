"""Programs of others behind one interface: a file of ONNX, an estimator in the manner of scikit-learn."""
