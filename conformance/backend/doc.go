// Package backend holds the suites that a backend passes: every case of the op
// table to the bit of the reference's answer, and what follows from the
// contract of package abi/plugin.
//
// It imports abi, core and the reference backend. Start reading at Units.
package backend
