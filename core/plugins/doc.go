// Package plugins starts plugins as processes of their own and gives them to
// the host as the Go values that they are: a plugin.Model, a plugin.Objective
// or a device.Device. It owns everything in between: starting, watching,
// errors, shared memory, and the end of the processes, which is certain.
//
// It imports abi and core/device. Start reading at Start in start.go, then
// memory.go for how tensors travel.
package plugins
