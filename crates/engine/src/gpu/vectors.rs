//! Arrays of `vec4<f32>` on the device: weights, moments, activations, gradients.
//!
//! On hardware they are storage buffers. On a software device they are textures, filled row by row: it reads a buffer
//! lane by lane, and a texture for all lanes of a subgroup at once. llvmpipe reads a vector for 8 lanes in 290 ns from
//! a buffer and in 8 ns from a texture.

use crate::EngineError;
use crate::device::wgpu::{
    self, Buffer, BufferUsages, CommandEncoder, Extent3d, Origin3d, TexelCopyBufferInfo, TexelCopyBufferLayout,
    TexelCopyTextureInfo, Texture, TextureAspect, TextureView,
};

use super::device::{Binding, Device};

/// Vectors in a row of a texture.
pub(super) const TEXTURE_WIDTH: usize = 4_096;

const VECTOR_BYTES: usize = 16;

const TEXTURE_ROW_BYTES: u64 = (VECTOR_BYTES * TEXTURE_WIDTH) as u64;

/// An array of vectors of four.
#[derive(Clone, Debug)]
pub(super) enum Vectors {
    Buffer(Buffer),
    Texture { texture: Texture, view: TextureView },
}

impl Vectors {
    /// Allocates `n` vectors of zeros. `what` names them in an error.
    pub fn new(device: &Device, what: &str, n: usize, in_textures: bool) -> Result<Self, EngineError> {
        if in_textures {
            let texture = device.texture(what, TEXTURE_WIDTH, n.div_ceil(TEXTURE_WIDTH).max(1))?;
            let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
            return Ok(Self::Texture { texture, view });
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        device.buffer(what, (VECTOR_BYTES * n) as u64, usage).map(Self::Buffer)
    }

    /// The bytes of the largest possible array.
    pub fn most_bytes(device: &Device, in_textures: bool) -> u64 {
        if in_textures { device.most_texture_rows() * TEXTURE_ROW_BYTES } else { device.most_bytes() }
    }

    /// The binding of a kernel that reads them.
    pub fn read(&self) -> Binding<'_> {
        match self {
            Self::Buffer(buffer) => Binding::Read(buffer),
            Self::Texture { view, .. } => Binding::ReadTexture(view),
        }
    }

    /// The binding of a kernel that reads and writes them.
    pub fn write(&self) -> Binding<'_> {
        match self {
            Self::Buffer(buffer) => Binding::Write(buffer),
            Self::Texture { view, .. } => Binding::WriteTexture(view),
        }
    }

    /// Writes `values`, a whole number of vectors, to the start.
    pub fn upload(&self, device: &Device, values: &[f32]) -> Result<(), EngineError> {
        let texture = match self {
            Self::Buffer(buffer) => return device.write(buffer, values),
            Self::Texture { texture, .. } => texture,
        };
        for piece in pieces(0, values.len() / 4) {
            let data = bytemuck::cast_slice(&values[4 * piece.first..][..4 * piece.size()]);
            device.write_texture(piece.place(texture), data, piece.layout(0), piece.extent())?;
        }
        Ok(())
    }

    /// Reads the first `n` vectors, after all submitted work.
    pub fn download<T: bytemuck::Pod>(&self, device: &Device, n: usize) -> Result<Vec<T>, EngineError> {
        let bytes = VECTOR_BYTES * n;
        device.read_copy(bytes / size_of::<T>(), |encoder, staging| self.copy(encoder, 0, staging, 0, n))
    }

    /// Records a copy of `n` vectors, from vector `from` on, to `buffer`, from vector `to` on.
    pub fn copy(&self, encoder: &mut CommandEncoder, from: usize, buffer: &Buffer, to: usize, n: usize) {
        let bytes = |n: usize| (VECTOR_BYTES * n) as u64;
        let texture = match self {
            Self::Buffer(source) => {
                return encoder.copy_buffer_to_buffer(source, bytes(from), buffer, bytes(to), bytes(n));
            }
            Self::Texture { texture, .. } => texture,
        };
        for piece in pieces(from, n) {
            let layout = piece.layout(bytes(to + piece.first - from));
            let target = TexelCopyBufferInfo { buffer, layout };
            encoder.copy_texture_to_buffer(piece.place(texture), target, piece.extent());
        }
    }
}

/// A rectangle of a texture that holds consecutive vectors: a part of one row, or whole rows.
struct Piece {
    first: usize,
    width: usize,
    rows: usize,
}

/// The pieces of `n` vectors from number `from` on.
fn pieces(from: usize, n: usize) -> impl Iterator<Item = Piece> {
    let (mut first, end) = (from, from + n);
    std::iter::from_fn(move || {
        let (column, left) = (first % TEXTURE_WIDTH, end - first);
        let piece = match (column, left / TEXTURE_WIDTH) {
            (0, rows @ 1..) => Piece { first, width: TEXTURE_WIDTH, rows },
            _ => Piece { first, width: left.min(TEXTURE_WIDTH - column), rows: 1 },
        };
        first += piece.size();
        (piece.size() > 0).then_some(piece)
    })
}

impl Piece {
    fn size(&self) -> usize {
        self.width * self.rows
    }

    fn place<'a>(&self, texture: &'a Texture) -> TexelCopyTextureInfo<'a> {
        let (x, y) = ((self.first % TEXTURE_WIDTH) as u32, (self.first / TEXTURE_WIDTH) as u32);
        TexelCopyTextureInfo { texture, mip_level: 0, origin: Origin3d { x, y, z: 0 }, aspect: TextureAspect::All }
    }

    fn extent(&self) -> Extent3d {
        Extent3d { width: self.width as u32, height: self.rows as u32, depth_or_array_layers: 1 }
    }

    /// Its layout in a buffer.
    fn layout(&self, offset: u64) -> TexelCopyBufferLayout {
        let bytes_per_row = (self.rows > 1).then_some(TEXTURE_ROW_BYTES as u32);
        TexelCopyBufferLayout { offset, bytes_per_row, rows_per_image: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_each_vector_once_and_are_rectangles() {
        for (from, n) in [(0, 0), (0, 1), (0, 4_096), (1, 4_096), (4_095, 1), (4_095, 8_194), (8_192, 12_289), (5, 9)] {
            let mut next = from;
            for piece in pieces(from, n) {
                assert_eq!(piece.first, next);
                assert!(piece.rows == 1 || (piece.width, piece.first % TEXTURE_WIDTH) == (TEXTURE_WIDTH, 0));
                assert!(piece.first % TEXTURE_WIDTH + piece.width <= TEXTURE_WIDTH);
                next += piece.size();
            }
            assert_eq!(next, from + n, "{n} from {from}");
            assert!(pieces(from, n).count() <= 3);
        }
    }
}
