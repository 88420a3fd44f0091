"""Where the time goes."""
def add_commands(commands): pass
