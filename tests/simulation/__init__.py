"""The whole gateway on virtual time among made-up devices, brokers and disks; a seed decides everything."""
