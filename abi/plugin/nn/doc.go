// Package nn writes modules: a model describes its network once, as a function
// that names each parameter where it is used, and gets the parameters, sorted,
// and the function over them. It has the layers that many networks share.
//
// It imports abi/ir, abi/plugin and abi/plugin/config. Start reading at Module.
package nn
