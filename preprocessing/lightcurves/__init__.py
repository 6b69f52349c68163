"""Light curves: readers of survey files, selection of epochs, windows, the simulator, the pipeline."""
