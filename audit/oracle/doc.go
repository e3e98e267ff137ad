// Package oracle holds what others' programs say of our formats: litewitness (torchwood) on the same requests as our witness,
// and Tessera's fsck on our exports and buckets. Package receipt below it checks receipts without any code of ours.
//
// It is a module of its own, so that what these programs depend on never enters the product's go.mod. Run it with
// "go test ./..." in this directory.
package oracle
