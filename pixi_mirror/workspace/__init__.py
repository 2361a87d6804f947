"""Make a workspace of package names, and add the tasks of a mirror to one."""
