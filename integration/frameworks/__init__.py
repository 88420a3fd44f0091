"""What runs in the frameworks' own virtual environment, and how the tests run it."""
