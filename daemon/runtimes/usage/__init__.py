"""What a running container consumes: processor, memory, processes, disks, links, as the kernel has counted.

Everything here is a look into small files of a cgroup and of procfs; it blocks, so call it in a thread.
"""
