"""A polkit that says yes or no to everything, and writes down what it was asked: fake_polkit.py yes|no"""
import os
import sys

import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib


class Authority(dbus.service.Object):
    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", "(sa{sv})sa{ss}us", "(bba{ss})")
    def CheckAuthorization(self, _subject, action, _details, _flags, _cancellation):
        print(action, flush=True)
        return (sys.argv[1] == "yes", False, {})


connection = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], mainloop=DBusGMainLoop())
authority = Authority(connection, "/org/freedesktop/PolicyKit1/Authority")
connection.request_name("org.freedesktop.PolicyKit1")
GLib.MainLoop().run()
