# What Cap'n Proto RPC is measured with; build.rs has it compiled.
@0xd1b0a7c35e9f4826;

interface Bench {
  multiply @0 (a :Int64, b :Int64) -> (product :Int64);
  echo @1 (value :Data) -> (value :Data);
}
