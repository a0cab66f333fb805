"""What this installation has and lacks, found without trusting any of it.

Nothing here imports a package of another project before it is looked at, and then a process of its
own does: what fails there, or dies, is a finding.
"""
