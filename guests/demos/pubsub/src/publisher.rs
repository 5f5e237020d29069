// SPDX-License-Identifier: BSD-2-Clause
//! Who writes.

use alloc::boxed::Box;
use core::error::Error;

use userland::{
    channel::{Channel, Strength},
    info,
    shm::Region,
};

/// Waits for so many subscribers, and publishes frames as fast as the strong ones read them.
pub async fn run(news: &Region, subscribers: usize, frames: u32) -> Result<(), Box<dyn Error>> {
    let channel = Channel::create(news, &crate::NEWS)?;
    let mut writer = channel.writer(Strength::Strong, "publisher")?;
    let mut seen = 0;
    while channel.readers().len() < subscribers {
        channel.changed(&mut seen).await;
    }
    for reader in channel.readers() {
        info!("{} reads, {:?}", reader.name, reader.strength);
    }
    for number in 0..frames {
        writer.send(&numbered::frame(number)).await?;
    }
    info!("sent {frames} frames");
    // The last strong writer goes: subscribers read what is there, and then the channel is closed for them.
    Ok(())
}
