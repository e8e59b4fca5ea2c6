"""The file format: messages, bytes, durable writes, locks.

protoc 29.5 generates `profile_pb2`, so that every protobuf runtime from 5.29 on can load it.
"""
