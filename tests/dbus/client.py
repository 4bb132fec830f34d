"""The public bus as a program uses it, with every signal that came."""
import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

from .processes import wait_for

NAME = "org.pvcd1"
ROOT = "/org/pvcd1"
PROPERTIES = "org.freedesktop.DBus.Properties"
CALL_LIMIT_S = 60
NO_OPTIONS = dbus.Dictionary({}, signature="sv")


class Refused(Exception):
    """A call was answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error.get_dbus_name()}: {error.get_dbus_message()}")
        self.name = error.get_dbus_name()
        self.text = error.get_dbus_message()


def vm_path(uuid):
    return f"{ROOT}/vm/{uuid.replace('-', '_')}"


def node_path(name):
    return f"{ROOT}/node/{name.replace('-', '_')}"


class Client:
    def __init__(self, address):
        self._connection = dbus.bus.BusConnection(address, mainloop=DBusGMainLoop())
        self._connection.set_exit_on_disconnect(False)
        self.signals = []               # (path, interface.member, arguments), in order
        self._connection.add_signal_receiver(self._received, path_keyword="path", interface_keyword="interface",
                                             member_keyword="member")

    def close(self):
        self._connection.close()

    def _received(self, *arguments, path, interface, member):
        self.signals.append((str(path), f"{interface}.{member}", arguments))

    def receive(self):
        """Takes what has come by now."""
        while GLib.MainContext.default().iteration(False):
            pass

    def wait_for_signal(self, what, matches, limit_s=20):
        def found():
            self.receive()
            return next((signal for signal in self.signals if matches(*signal)), None)
        return wait_for(what, found, limit_s)

    def call(self, path, interface, method, signature="", *arguments, name=NAME, limit_s=CALL_LIMIT_S):
        try:
            return self._connection.call_blocking(name, path, interface, method, signature, arguments, timeout=limit_s)
        except dbus.DBusException as error:
            raise Refused(error) from None

    def call_together(self, *calls):
        """The answers, errors too, of calls (path, interface, method, signature, arguments..) that are sent before one is answered."""
        answers = [None] * len(calls)

        def keep(number, answer):
            answers[number] = answer
        for number, (path, interface, method, signature, *arguments) in enumerate(calls):
            self._connection.call_async(NAME, path, interface, method, signature, arguments,
                                        lambda *values, number=number: keep(number, values),
                                        lambda error, number=number: keep(number, Refused(error)), timeout=CALL_LIMIT_S)

        def all_answered():
            self.receive()
            return None not in answers
        wait_for("all answers", all_answered, CALL_LIMIT_S)
        return answers

    def get(self, path, interface, name, bus_name=NAME):
        return self.call(path, PROPERTIES, "Get", "ss", f"org.pvcd1.{interface}", name, name=bus_name)

    def peek(self, path, interface, name):
        """Like get, but None while the object or the service is not there."""
        try:
            return self.get(path, interface, name)
        except Refused:
            return None

    def introspect(self, path, name=NAME):
        return str(self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", name=name))

    def has_name(self, name):
        return bool(self._connection.name_has_owner(name))

    # ------------------------------------------------------------------------------------------------- pvcd's own words

    def manager(self, method, signature="", *arguments):
        return self.call(ROOT, "org.pvcd1.Manager", method, signature, *arguments)

    def vm(self, uuid, method, signature="a{sv}", *arguments):
        return self.call(vm_path(uuid), "org.pvcd1.Vm", method, signature, *(arguments or (NO_OPTIONS,)))

    def node(self, name, method, options=NO_OPTIONS):
        return self.call(node_path(name), "org.pvcd1.Node", method, "a{sv}", options)

    def define(self, xml, options=NO_OPTIONS):
        return str(self.manager("DefineVm", "sa{sv}", xml, options))

    def finish(self, job, limit_s=60):
        """(result, message) of a job, once it has finished."""
        wait_for(f"{job} to finish", lambda: self.peek(job, "Job", "State") == "finished", limit_s)
        return str(self.get(job, "Job", "Result")), str(self.get(job, "Job", "Message"))

    def wait_for_vm(self, uuid, state, limit_s=60):
        wait_for(f"VM to be {state}", lambda: self.peek(vm_path(uuid), "Vm", "State") == state, limit_s)
