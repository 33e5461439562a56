"""One folder for each implementation; the functions of its modules are the roles that scenarios name.

A role is ``role(control, settings)``. What several implementations do alike stands in the modules beside the folders.
"""
