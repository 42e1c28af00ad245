"""The machinery of Modbus, part by part."""
