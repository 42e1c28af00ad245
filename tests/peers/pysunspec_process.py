"""Reads a SunSpec device with pysunspec2, the alliance's own reader, and prints what it found as JSON.

Runs in a process of its own, with pysunspec2's folder as ``PYTHONPATH``; its argument is the port. It shares
neither code nor the file of a definition with us.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

if __name__ == "__main__":
    client = import_module("sunspec2.modbus.client")
    device = client.SunSpecModbusClientDeviceTCP(
        slave_id=1, ipaddr="127.0.0.1", ipport=int(sys.argv[1]), timeout=5
    )
    device.scan()
    one, strings, grid = device.models[103][0], device.models[160][0], device.models[203][0]
    found = {
        "active_power": one.W.cvalue,
        "voltage_l1": one.PhVphA.cvalue,
        "current_l3": one.AphC.cvalue,
        "power_factor": one.PF.cvalue / 100,
        "produced_energy": one.WH.cvalue / 1000,
        "internal_temperature": one.TmpCab.cvalue,
        "operating_state": one.St.cvalue,
        "dc_current_s1": strings.module[0].DCA.cvalue,
        "dc_power_s2": strings.module[1].DCW.cvalue,
        "meter_active_power_l2": grid.WphB.cvalue,
        "meter_import_energy": grid.TotWhImp.cvalue / 1000,
        "meter_export_energy": grid.TotWhExp.cvalue,
    }
    device.close()
    print(json.dumps(found))  # noqa: T201
