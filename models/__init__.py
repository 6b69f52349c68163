"""Networks (pure torch) and the tasks that train them."""
