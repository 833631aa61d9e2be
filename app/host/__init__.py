"""What the product needs of its host: files, processes, clocks and the address of the engine."""
