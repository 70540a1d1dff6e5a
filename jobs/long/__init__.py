"""Work that computes or takes minutes, in a process of its own that is started when there is some."""
