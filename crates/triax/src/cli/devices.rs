//! `triax devices`: the devices of this machine, as `--device` names them.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::{Table, presets};
use triax_engine::device::DeviceInfo;

use super::terminal::out;

/// List the devices of this machine, with driver and limits
#[derive(clap::Args)]
#[command(after_help = "\
`triax train --device auto` takes a few steps on each real GPU and on the CPU, and goes on where they took the least
time; what it measured is kept in the user's cache folder, or in the folder that TRIAX_CACHE_DIR names. Elsewhere `auto`
is the first real GPU, else the CPU. A software GPU is used only when it is named.
The environment variable WGPU_BACKEND (vulkan, metal, dx12, gl) narrows what is looked at.")]
pub struct Args {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let devices = triax_engine::device::list();
    let mut out = out();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&devices)?)?;
    } else {
        writeln!(out, "{}", table(&devices))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(devices: &[DeviceInfo]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["--device", "name", "type", "API", "driver", "limits"]);
    for device in devices {
        let limits = match (&device.limits, device.threads) {
            (Some(limits), _) => format!(
                "buffer {}, binding {}, workgroup {} / {} invocations, {} storage buffers",
                bytes(limits.max_buffer_size),
                bytes(limits.max_storage_buffer_binding_size),
                bytes(limits.max_compute_workgroup_storage_size.into()),
                limits.max_compute_invocations_per_workgroup,
                limits.max_storage_buffers_per_shader_stage,
            ),
            (None, Some(threads)) => format!("{threads} threads"),
            (None, None) => String::new(),
        };
        let driver = format!("{} {}", device.driver, device.driver_version);
        let row = [device.argument(), device.name.clone(), device.kind.to_string(), device.api.clone(), driver, limits];
        table.add_row(row);
    }
    table
}

/// A size in the largest binary unit that leaves a whole part.
fn bytes(size: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (size.max(1).ilog2() / 10) as usize;
    let number = size as f64 / (1u64 << (10 * unit)) as f64;
    let digits = usize::from(number.fract() > 0.05);
    format!("{number:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [0, 1023, 1024, 16384, (1 << 27) + (1 << 26), u64::MAX];
        assert_eq!(sizes.map(bytes), ["0 B", "1023 B", "1 KiB", "16 KiB", "192 MiB", "16 EiB"]);
    }
}
