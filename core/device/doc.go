// Package device is a backend as the host uses it: work is queued and runs in
// order, and the host waits only for what it reads. Package core/plugins gives
// devices that live in a process of their own; Local makes one of a backend in
// this process.
//
// It imports abi and core/grad. Start reading at Device.
package device
