//! The nets' shapes, counts, names and arithmetic.

mod common;

use ror::Task;
use ror::model::{KerasBaselineConfig, Net, NetConfig, RorConfig};
use ror::tch::{Device, Kind, Tensor};

fn net(config: impl Into<NetConfig>) -> Net {
    Net::new(config, Device::Cpu, 0).unwrap()
}

#[test]
fn the_keras_baseline_has_the_originals_count() {
    let summary = net(KerasBaselineConfig::new(1)).summary().unwrap();
    assert_eq!(summary.trainable + summary.statistics, 1_168_545);
}

#[test]
fn summaries_account_for_every_number() {
    let configs: [NetConfig; 4] = [
        RorConfig::new(1).into(),
        RorConfig::new(12).into(),
        RorConfig::small(12).into(),
        KerasBaselineConfig::new(1).into(),
    ];
    for config in configs {
        let net = net(config.clone());
        let summary = net.summary().unwrap();
        let in_layers: usize = summary.layers().map(|layer| layer.2).sum();
        assert_eq!(in_layers, summary.trainable + summary.statistics);
        assert_eq!(summary.trainable, net.parameters());
        assert_eq!(summary.layers().next_back().unwrap().1, [config.outputs()]);
    }
    let summary = net(RorConfig::new(1)).summary().unwrap();
    let output = |name: &str| summary.layers().find(|layer| layer.0 == name).unwrap().1.to_vec();
    assert_eq!(output("stem"), [64, 32, 32]);
    assert_eq!(output("pool"), [64, 16, 16]);
    assert_eq!(output("groups.3"), [512, 2, 2]);
    assert_eq!(output("root"), [512, 2, 2]);
    assert_eq!(output("dense"), [256]);
    assert!(summary.to_string().contains("stem") && summary.to_html().contains("<table>"));
}

#[test]
fn parameters_are_named_as_in_pytorch() {
    let names: Vec<String> = net(RorConfig::new(12)).variables().into_keys().collect();
    for name in [
        "stem.weight",
        "groups.0.blocks.0.bn1.running_mean",
        "groups.1.blocks.0.shortcut.weight",
        "groups.3.blocks.1.conv3.weight",
        "groups.2.shortcut.weight",
        "root.weight",
        "bn.bias",
        "dense.bias",
        "head.weight",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is not among {names:?}");
    }
    // Where the shape stays, the final shortcut is the identity.
    assert!(!names.iter().any(|n| n == "groups.0.blocks.1.shortcut.weight"));
}

#[test]
fn shortcuts_are_three_levels_and_each_can_be_left_out() {
    let all = net(RorConfig::new(1)).parameters();
    let widths = [64i64, 128, 256, 512];
    let root = net(RorConfig { root_shortcut: false, ..RorConfig::new(1) }).parameters();
    assert_eq!(all - root, (64 * 512) as usize);
    let middle = net(RorConfig { middle_shortcuts: false, ..RorConfig::new(1) }).parameters();
    let expected: i64 = 64 * 64 + widths.windows(2).map(|w| w[0] * w[1]).sum::<i64>();
    assert_eq!(all - middle, expected as usize);
}

#[test]
fn every_pooling_input_and_depth_runs() {
    for (input, pool, blocks) in
        [(32, 1, [1; 4]), (64, 2, [1, 2, 1, 1]), (33, 2, [1; 4]), (48, 1, [1; 4])]
    {
        let config = RorConfig { input, pool, blocks, ..RorConfig::small(12) };
        let side = i64::from(input);
        let pictures = Tensor::zeros([2, side, side, 3], (Kind::Uint8, Device::Cpu));
        assert_eq!(net(config.clone()).logits(&pictures).unwrap().size(), [2, 12]);
    }
    let bad = RorConfig { input: 7, ..RorConfig::new(1) };
    assert!(Net::new(bad, Device::Cpu, 0).unwrap_err().to_string().contains("7 px"));
    let bad = RorConfig { widths: [63, 128, 256, 512], ..RorConfig::new(1) };
    assert!(Net::new(bad, Device::Cpu, 0).unwrap_err().to_string().contains("bottleneck"));
}

#[test]
fn saved_weights_come_back_the_same_and_the_seed_decides() {
    let _turn = common::turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let config = RorConfig::small(Task::age_group().outputs());
    let first = net(config.clone());
    first.save(&path, false).unwrap();
    let loaded = Net::open(config.clone(), &path, Device::Cpu).unwrap();
    let other = Net::new(config, Device::Cpu, 1).unwrap();
    ror::tch::manual_seed(1);
    let pictures = Tensor::randint(255, [3, 32, 32, 3], (Kind::Uint8, Device::Cpu));
    let logits = first.logits(&pictures).unwrap();
    assert!(loaded.logits(&pictures).unwrap().equal(&logits));
    assert!(!other.logits(&pictures).unwrap().allclose(&logits, 1e-3, 1e-3, false));
}

/// A card may say anything: what would not fit in memory is refused before it is allocated.
#[test]
fn absurd_shapes_are_errors() {
    let huge = 1_000_000_000_000;
    for config in [
        RorConfig { dense: huge, ..RorConfig::new(1) },
        RorConfig::new(huge),
        RorConfig { widths: [8192; 4], blocks: [64; 4], bottleneck: 1, ..RorConfig::new(1) },
        RorConfig { bottleneck: 0, ..RorConfig::new(1) },
        RorConfig { bottleneck: -1, ..RorConfig::new(1) },
    ] {
        let refused = Net::new(config, Device::Cpu, 0).unwrap_err().to_string();
        assert!(refused.contains("choose"), "{refused}");
    }
    assert!(Net::new(KerasBaselineConfig::new(huge), Device::Cpu, 0).is_err());
}

/// Every architecture, and every input, pooling and depth, survives its JSON.
#[test]
fn shapes_are_read_as_they_were_written() {
    let config = NetConfig::from(RorConfig { pool: 1, ..RorConfig::new(12) });
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<NetConfig>(&json).unwrap(), config);
    let changed = config.with(serde_json::json!({ "pool": 2 })).unwrap();
    assert_eq!(changed, RorConfig::new(12).into());
    let wrong = |json: &str| serde_json::from_str::<NetConfig>(json).unwrap_err().to_string();
    assert!(wrong(r#"{"input": 32}"#).contains("architecture"));
    assert!(wrong(r#"{"architecture": "mine"}"#).contains("`mine` is unknown"));
    assert!(config.with(serde_json::json!({ "depth": 2 })).is_err());
}
