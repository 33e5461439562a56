"""One module for each implementation; its functions are the roles that scenarios name: ``role(control, settings)``."""
