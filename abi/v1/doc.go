// Package abiv1 is version 1 of the kernel ABI in protobuf: what travels
// between the host and a plugin over gRPC. The .proto files are the contract
// and say what each message means; the rest is generated from them (package
// abi/wire has the command).
//
// It imports protobuf and gRPC only. Start reading at plugin.proto.
package abiv1
